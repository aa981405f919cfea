import pytest

from proxyset_lab.speed.client import resnet18_multiply_adds


def test_resnet18_is_the_published_number():
    assert resnet18_multiply_adds() == pytest.approx(1.8e9, rel=0.02)  # He et al., table 1
