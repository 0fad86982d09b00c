"""Reading Colab's public list of packages."""

from tools.colab_rehearsal import pins, preinstalled

LISTING = """\
# a comment
absl-py==1.4.0
torch @ https://download.pytorch.org/whl/cu128/torch-2.11.0%2Bcu128-cp313-cp313-manylinux_2_28_x86_64.whl
jax-cuda12-pjrt==0.7.2
google-colab @ file:///colabtools/dist/google_colab-1.0.0.tar.gz
-e git+https://example.org/x#egg=x
scikit-learn==1.6.1
tensorflow_probability==0.25.0
ipykernel==6.17.1
triton @ https://download.pytorch.org/whl/triton-3.4.0-cp313-cp313-linux_x86_64.whl#sha256=0
"""


def test_pins_reads_releases_and_wheels_by_address_and_passes_over_the_rest():
    assert pins(LISTING) == {
        "absl-py": "1.4.0",
        "torch": "2.11.0",
        "jax-cuda12-pjrt": "0.7.2",
        "scikit-learn": "1.6.1",
        "tensorflow-probability": "0.25.0",
        "ipykernel": "6.17.1",
        "triton": "3.4.0",
    }


def test_only_what_colab_has_is_installed_before_the_first_cell():
    assert preinstalled(pins(LISTING)) == ["ipykernel", "scikit-learn", "torch"]
