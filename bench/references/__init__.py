"""Every method that has a library's own use to be held against; what takes longest last."""

from bench.references import after, heads
from bench.references.pair import Pair

PAIRS = (
    Pair("thresholds", after.our_thresholds, after.fairlearns_thresholds),
    Pair("group-calibration", after.our_calibration, after.scikit_learns_calibration, draws=1),
    Pair("leace", heads.our_leace, heads.concept_erasures_leace, draws=1),
    Pair("reweighting", heads.our_reweighting, heads.scikit_learns_reweighting, draws=1),
    Pair("resampling", heads.our_resampling, heads.imbalanced_learns_resampling),
    Pair("adversarial", heads.our_adversarial, heads.fairlearns_adversarial),
    Pair("constrained-head", heads.our_constrained, heads.fairlearns_constrained),
)
