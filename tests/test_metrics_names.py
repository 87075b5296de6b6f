"""A metric is found by its name; a name that is wrong is told what would be right."""

from __future__ import annotations

import pytest

from monitoring_sdk.errors import ConfigError
from monitoring_sdk.metrics.rows import TASKS
from monitoring_sdk.metrics.table import DEFAULTS, METRICS, find_metric, metric, metric_names
from tests import metric_cases as cases


@pytest.mark.parametrize(
    ("name", "task", "said"),
    [
        ("acuracy", "binary", "did you mean accuracy"),
        ("ndgc@10", "ranking", "did you mean ndcg@k"),
        ("f1_makro", "multiclass", "did you mean f1_macro"),
        ("rsme", "regression", "did you mean rmse"),
        ("recall@10", "binary", "recall@10 is for ranking, the task is binary"),
        ("recall@economy", "binary", "recall@economy is for multiclass, the task is binary"),
        ("recall@1%", "ranking", "recall@1% is for binary, the task is ranking"),
        ("recall", "ranking", "recall is for binary, the task is ranking"),
        ("accuracy", "regression", "accuracy is for binary or multiclass, the task is regression"),
        ("ndcg", "ranking", "ndcg@k takes a whole number of ranks from 1, as in ndcg@10"),
        ("ndcg@0", "ranking", "ndcg@k takes a whole number of ranks from 1, as in ndcg@10"),
        ("ndcg@1.5", "ranking", "as in ndcg@10"),
        ("ndcg@ 3", "ranking", "as in ndcg@10"),
        ("ndcg@k", "ranking", "as in ndcg@10"),
        ("precision@100%", "binary", "between 0% and 100%, as in precision@1%"),
        ("precision@0%", "binary", "as in precision@1%"),
        ("precision@nan%", "binary", "as in precision@1%"),
        ("quantile_error", "regression", "as in quantile_error@0.9"),
        ("quantile_error@1", "regression", "a quantile between 0 and 1"),
        ("precision", "multiclass", "precision is for binary"),
        ("precision@", "multiclass", "the name of a class, as in precision@economy"),
        ("accuracy@10", "binary", "unknown metric: got 'accuracy@10'"),
        ("", "binary", "unknown metric"),
        ("@", "binary", "unknown metric"),
    ],
)
def test_a_wrong_name_is_told_what_would_be_right(name: str, task: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_metric(name, task)
    assert said in str(caught.value)


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown task"):
        find_metric("mae", "forecast")


@pytest.mark.parametrize("task", TASKS)
def test_the_defaults_are_metrics_of_their_task(task: str) -> None:
    assert DEFAULTS[task]
    for name in DEFAULTS[task]:
        assert find_metric(name, task).needs


def test_the_names_of_the_public_face_are_there() -> None:
    binary = (
        "accuracy precision recall f1 specificity balanced_accuracy mcc roc_auc average_precision "
        "log_loss brier ece"
    )
    regression = "mae rmse mse r2 mape wape median_absolute_error"
    ranking = "ndcg@10 recall@10 map@10 mrr"
    multiclass = "f1_macro roc_auc_ovr"
    tasks = {"binary": binary, "regression": regression, "ranking": ranking}
    for task, names in {**tasks, "multiclass": multiclass}.items():
        for name in names.split():
            assert find_metric(name, task).name == name


def test_names_are_listed_by_task() -> None:
    assert "ndcg@k" in metric_names("ranking")
    assert "accuracy" not in metric_names("ranking")
    assert {name for task in TASKS for name in metric_names(task)} == set(METRICS)


def test_a_class_that_never_occurs_is_undefined_and_the_others_named() -> None:
    value = metric("recall@z", cases.some_rows("multiclass"))
    assert value.value is None
    assert value.reason == "no class 'z' among labels and predictions: a, b, c"
