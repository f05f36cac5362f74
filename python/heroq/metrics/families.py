"""The table's metrics as prometheus-client's families."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client import Metric as Family
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from .. import _heroq
from .table import BUILD, Metric

#: one value for each label, and the metric's value
Sample = tuple[Sequence[str], float]


def family(metric: Metric, samples: Iterable[Sample]) -> Family:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    made = kind(metric.name, metric.text, labels=metric.labels)
    for labels, value in samples:
        made.add_metric(labels, value)
    return made


def single(metric: Metric, value: float) -> Family:
    return family(metric, [((), value)])


def build() -> Family:
    return family(BUILD, [((_heroq.heroq_version_text(),), 1)])


def histogram(
    metric: Metric, bounds: Sequence[float], samples: Iterable[tuple[Sequence[str], float, Sequence[int]]]
) -> Family:
    """Samples: labels, the sum, how many lie below each bound but above the one before, and how many above all."""
    made = HistogramMetricFamily(metric.name, metric.text, labels=metric.labels)
    for labels, total, counts in samples:
        buckets, below = [], 0
        for bound, count in zip([*map(str, bounds), "+Inf"], counts, strict=True):
            below += count
            buckets.append((bound, float(below)))
        made.add_metric(labels, buckets, total)
    return made
