import pytest

from training.registry import Registry, UnknownName


def _shapes() -> Registry[tuple[str, int]]:
    shapes: Registry[tuple[str, int]] = Registry("shape")

    @shapes.register()
    def square(side: int = 1) -> tuple[str, int]:
        return "square", side

    @shapes.register("circle", "disc")
    def round_(radius: int) -> tuple[str, int]:
        return "circle", radius

    return shapes


def test_a_part_is_built_by_name_with_its_parameters() -> None:
    assert _shapes().build({"name": "square", "side": 3}) == ("square", 3)
    assert _shapes().build({"name": "disc"}, radius=2) == ("circle", 2)


def test_an_unknown_name_lists_the_near_ones() -> None:
    with pytest.raises(UnknownName, match=r"unknown shape 'sqare'; did you mean square\?"):
        _shapes().build({"name": "sqare"})


def test_an_unknown_parameter_lists_the_near_ones() -> None:
    with pytest.raises(UnknownName, match=r"parameter of shape square 'sides'; did you mean side\?"):
        _shapes().build({"name": "square", "sides": 3})


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(ValueError, match="shape circle needs radius"):
        _shapes().build({"name": "circle"})
    with pytest.raises(ValueError, match="a shape needs a name, one of circle, disc, square"):
        _shapes().build({"radius": 1})


def test_names_are_sorted() -> None:
    assert list(_shapes()) == ["circle", "disc", "square"]


def test_a_name_is_registered_once() -> None:
    shapes = _shapes()
    with pytest.raises(ValueError, match="twice"):
        shapes.register("square")(lambda: ("square", 0))


def test_a_declined_name_says_what_to_do_instead() -> None:
    shapes = _shapes()
    shapes.decline("draw a square", "cube", "tesseract")
    for name in ("cube", "tesseract"):
        with pytest.raises(ValueError, match=f"shape '{name}' is not part of this stack: draw a square"):
            shapes.build({"name": name})
    assert list(shapes) == ["circle", "disc", "square"]
