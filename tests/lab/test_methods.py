import pytest

from proxyset.cloud.select import STRATEGIES
from proxyset.errors import InvalidInput
from proxyset_lab.alternatives.runs import ALTERNATIVE_RUNS
from proxyset_lab.methods import ALTERNATIVES, BASELINES, needs


def test_what_methods_depend_on():
    assert needs("ecos").epsilon and needs("ecos").message and not needs("ecos").clear
    clear = needs("ecos:clear@50")
    assert clear.clear and not clear.epsilon and clear.clusters == 50 and "NOT PRIVATE" in clear.assumes
    assert not needs("random").message and needs("uniform-cluster").message


def test_every_alternative_can_be_run_and_says_what_it_assumes():
    assert set(ALTERNATIVES) == set(ALTERNATIVE_RUNS)
    for method in [*ALTERNATIVES.values(), *BASELINES.values(), *map(needs, STRATEGIES.own)]:
        assert method.labels and method.sees and method.leaves
        assert ("noisy" in method.leaves) == (method.epsilon and "fedavg" not in method.name), method.name
    assert not set(STRATEGIES.own) & (set(ALTERNATIVES) | set(BASELINES))


@pytest.mark.parametrize("method", ["nothing", "ecos:", "ecos@0", "random:clear", "k-center@5", "mak:clear"])
def test_what_has_no_meaning_is_refused(method):
    with pytest.raises(InvalidInput, match=method.partition(":")[0].partition("@")[0]):
        needs(method)
