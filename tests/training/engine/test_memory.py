import subprocess
import sys

import pytest

STEPS = """
import resource, torch
from training.engine.memory import keep_freed_memory
{keep}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for step in range(12):  # the heap finds its shape in the first few
    before = faults()
    tensors = [torch.ones(10 << 20) for _ in range(3)]  # 40 MiB each
    del tensors
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told to keep memory")
def test_a_step_uses_the_memory_of_the_one_before() -> None:
    def last_step(keep: str) -> int:
        script = STEPS.format(keep=keep)
        return int(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)

    assert last_step("keep_freed_memory()") < 100
    assert last_step("") > 1000
