import numpy as np

from kenspeckle.bits import are_codes, bit_similarities, packed, similarity_of, unit_codes


def test_codes_are_of_unit_length_and_come_back_as_bits() -> None:
    bits = np.random.default_rng(0).integers(0, 256, (20, 9), np.uint8)
    codes = unit_codes(bits)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(packed(codes), bits)
    assert unit_codes(np.array([[0b10000000]], np.uint8))[0].argmax() == 0


def test_similarity_is_the_share_of_equal_bits_and_equal_wherever_it_is_counted() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 256, (50, 64), np.uint8), rng.integers(0, 256, (40, 64), np.uint8)
    naive = [[sum(f"{x ^ y:b}".count("1") for x, y in zip(a, b, strict=True)) for b in second] for a in first.tolist()]
    distances = np.array(naive)
    expected = (512 - distances) / 512
    got = bit_similarities(unit_codes(first), unit_codes(second))
    np.testing.assert_allclose(got, expected, atol=1e-7)
    np.testing.assert_array_equal(got, similarity_of(distances.astype(np.int32), 512))


def test_only_rows_of_one_size_that_is_the_unit_codes_are_codes() -> None:
    codes = unit_codes(np.random.default_rng(0).integers(0, 256, (3, 5), np.uint8))
    assert are_codes(codes).all()
    changed = codes.copy()
    changed[1, 7] *= 1.01
    np.testing.assert_array_equal(are_codes(changed), [True, False, True])
    assert are_codes(changed, tolerance=0.02).all()
    assert not are_codes(codes * np.float32(2)).any()
    assert not are_codes(codes[:, :12]).any()
    assert not are_codes(np.full((1, 40), np.nan, np.float32)).any()
