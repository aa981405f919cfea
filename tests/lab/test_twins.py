import numpy as np

from proxyset_lab.twins import UNLIKE, find_twins


def test_equal_contents_are_twins_whatever_their_features():
    found = find_twins(["a", "b", "a", "c", "a"], None, ["x"] * 5)
    assert found.pairs.tolist() == [[0, 2], [0, 4], [2, 4]] and found.threshold is None
    assert sorted(found.of(np.array([2]))) == [0, 4]


def test_the_threshold_is_what_items_of_two_labels_reach():
    """Against a slow reference: every pair, one by one."""
    rng = np.random.default_rng(0)
    labels = rng.choice(["x", "y", "z"], 300)
    X = (rng.normal(size=(300, 6)) + 2 * np.eye(6)[np.unique(labels, return_inverse=True)[1]]).astype(
        np.float32
    )
    X[7], X[200], labels[7], labels[200] = X[250] * 1.001, X[100] + 1e-3, labels[250], labels[100]
    found = find_twins(range(300), X, labels.tolist())
    Z = X / np.linalg.norm(X, axis=1, keepdims=True)
    nearest = [max(float(Z[i] @ Z[j]) for j in range(300) if labels[j] != labels[i]) for i in range(300)]
    threshold = np.quantile(nearest, UNLIKE)
    near = [[i, j] for i in range(300) for j in range(i + 1, 300) if float(Z[i] @ Z[j]) > threshold]
    assert np.isclose(found.threshold, threshold, atol=1e-6)
    assert found.pairs.tolist() == near and [7, 250] in near and [100, 200] in near


def test_one_label_gives_no_threshold():
    assert find_twins([1, 2], np.ones((2, 3), np.float32), ["x", "x"]).threshold is None
