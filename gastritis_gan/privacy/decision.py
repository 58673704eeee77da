"""From findings to a verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from gastritis_gan.privacy.copies import PLAIN, samples_needed
from gastritis_gan.privacy.exposure import (
    CloseMatches,
    SpaceFindings,
    joint_copy_rate_bound,
    joint_power,
)
from gastritis_gan.privacy.membership import Membership, membership_patients_needed
from gastritis_gan.privacy.verdict import Verdict

_UNSURE = 0.02  # chance of so many certain patients: below it, an attack does not pass
_ORDER: tuple[Verdict, ...] = ("pass", "undecided", "fail")


@dataclasses.dataclass(frozen=True)
class Decision:
    """The decision of one test.

    Attributes:
        test: What was tested.
        verdict: "pass", "fail" or "undecided".
        reason: One sentence with the metric that decided and, if undecided, what would
            decide it.
    """

    test: str
    verdict: Verdict
    reason: str


def overall(decisions: Iterable[Decision]) -> Verdict:
    """Returns the worst verdict: fail before undecided before pass."""
    return max((decision.verdict for decision in decisions), key=_ORDER.index)


def decide_memorisation(
    spaces: Sequence[SpaceFindings],
    *,
    min_power: float,
    max_copy_rate: float,
    test: str = "memorisation",
) -> list[Decision]:
    """Fails for an exposed patient; passes when copies would have been noticed.

    Args:
        spaces: At least one. A copy has to be noticed in one of them. Those that notice
            hardly any plain copy cannot fail.
        min_power: Share of the plain copies that has to be noticed. Kinds of disguise
            of which less is noticed are named in the reason of a pass.
        max_copy_rate: Plain copies per sample that may remain possible.
        test: Its name.
    """
    failures = [
        Decision(f"{test}, {space.name}", "fail", _exposed(space))
        for space in spaces
        if space.decides and space.exposure.exposed.any()
    ]
    if failures:
        return failures
    power = joint_power(spaces)
    num_samples = len(spaces[0].scores)
    if power < min_power:
        return [
            Decision(
                test,
                "undecided",
                f"Only {power:.0%} of the planted copies ({PLAIN.kind}) were "
                f"noticed (at least {min_power:.0%} have to be), {_remedy(spaces)}.",
            )
        ]
    bound = joint_copy_rate_bound(spaces)
    if bound > max_copy_rate:
        return [
            Decision(
                test,
                "undecided",
                f"No copy among {num_samples} samples leaves up to {bound:.2%} copies "
                f"possible (at most {max_copy_rate:.2%} may be): at least "
                f"{samples_needed(max_copy_rate, power)} samples would be needed.",
            )
        ]
    return [
        Decision(
            test,
            "pass",
            f"No copy among {num_samples} samples, while {power:.0%} of the planted "
            f"copies ({PLAIN.kind}) were noticed: at most {bound:.2%} of samples are "
            f"copies like these. {_overlooked(spaces, min_power)}",
        )
    ]


def decide_close_matches(close: CloseMatches, *, alpha: float) -> Decision:
    """Fails where samples keep closer to the training patients than chance does.

    Args:
        close: From `compare_close_matches`.
        alpha: Probability of a false alarm.
    """
    finding = (
        f"Of the samples' closest matches, {close.training:.0%} are training patients "
        f"in {close.space}, where the groups differ most (p = {close.p_value:.2g} by a "
        "permutation over patients, all spaces together)"
    )
    if close.p_value < alpha:
        return Decision("close matches", "fail", f"{finding}.")
    return Decision("close matches", "pass", f"{finding}: no more than by chance.")


def _overlooked(spaces: Sequence[SpaceFindings], min_power: float) -> str:
    """Returns a sentence on the other kinds of disguise."""
    power = {kind: joint_power(spaces, kind) for kind in spaces[0].is_noticed}
    overlooked = [
        f"{kind} ({share:.0%})" for kind, share in power.items() if share < min_power
    ]
    if not overlooked:
        return f"At least {min_power:.0%} of every other kind were noticed."
    return (
        f"Of copies of these kinds less than {min_power:.0%} were noticed, so they are "
        f"not excluded: {'; '.join(overlooked)}."
    )


def _exposed(space: SpaceFindings) -> str:
    exposure = space.exposure
    exposed = exposure.exposure[exposure.exposed]
    held_out = exposure.exposure[~space.is_training].max()
    return (
        f"{len(exposed)} of {space.is_training.sum()} training patients are matched by "
        f"{space.num_copies} of {len(space.scores)} samples more closely than the "
        f"held-out patients allow: they stand out by up to {exposed.max():.1f}, "
        f"held-out patients by up to {held_out:.1f}, and the threshold is "
        f"{exposure.threshold:.1f}."
    )


def _remedy(spaces: Sequence[SpaceFindings]) -> str:
    """Returns why planted copies were overlooked, and what would help."""
    spoilt = max(space.num_held_out_exposed for space in spaces)
    if spoilt:
        return (
            f"because held-out patients ({spoilt}) are matched more closely than the "
            "training patients allow, so they cannot show what is usual: the generator "
            "has seen them, or they are training patients under another number"
        )
    needed = min(
        (space.patients_needed for space in spaces if space.patients_needed),
        default=None,
    )
    if needed is None:
        return "and more patients would not help: the images are too alike at this size"
    return f"and about {needed} patients of each group would be needed"


def decide_membership(
    attack: str,
    found: Membership,
    control: Membership | None,
    *,
    alpha: float,
    max_auc: float,
    split_given: bool = False,
) -> Decision:
    """Fails for a significant and strong attack; passes for one shown to be weak.

    An attack that is certain of some patients fails too, whatever its AUC, and does
    not pass where that is merely likely (2 %).

    Args:
        attack: Its name.
        found: Training against held-out patients.
        control: Held-out against held-out patients.
        alpha: Probability of a false alarm of the AUC, and of the rate of patients
            of whom the attack is certain.
        max_auc: AUC that is tolerated.
        split_given: Whether somebody else than chance chose the training patients: then
            the groups may differ without any leak, or hide one.
    """
    test = f"membership, {attack}"
    auc = f"{found.auc.value:.2f} ({found.auc.low:.2f}-{found.auc.high:.2f})"
    if split_given:
        return Decision(
            test,
            "undecided",
            f"The AUC is {auc}, but the split was given by the cohort file, not drawn: "
            "whether it tells of the training or of how the patients were chosen "
            "cannot be known. A split by the seed would decide.",
        )
    if control is not None and control.p_value < alpha:
        return Decision(
            test,
            "undecided",
            f"The control is not at chance (AUC {control.auc.value:.2f}): the held-out "
            "patients are not one uniform group.",
        )
    if found.p_value < alpha and found.auc.value > max_auc:
        return Decision(
            test,
            "fail",
            f"Training patients are distinguished from others with an AUC of {auc}; "
            f"{max_auc} is tolerated.",
        )
    certain = (
        f"{found.certain.value:.0%} of the training patients are recognised where "
        f"{found.certain_fpr:.1%} of the held-out ones are mistaken for some "
        f"(p = {found.certain_p_value:.2g} by chance)"
    )
    if found.certain_p_value < alpha:
        return Decision(test, "fail", f"{certain}; the AUC is {auc}.")
    if found.certain_p_value < _UNSURE:
        return Decision(
            test,
            "undecided",
            f"{certain}, too many to be sure that it is chance and too few to be sure "
            f"that it is not; the AUC is {auc}.",
        )
    if found.auc_bound <= max_auc:
        return Decision(
            test,
            "pass",
            f"The AUC is {auc}, with 95 % confidence at most {found.auc_bound:.2f}; "
            f"{max_auc} is tolerated. {certain}.",
        )
    true_auc = max(found.auc.value, 0.5)
    if true_auc < max_auc:
        needed = f"at this AUC about {membership_patients_needed(max_auc, true_auc)}"
    else:
        needed = (
            "at this AUC no number of patients would pass, at chance about "
            f"{membership_patients_needed(max_auc)}"
        )
    if found.p_value < alpha:
        finding = f"significantly above chance and not shown to be below {max_auc}"
    else:
        finding = f"neither significantly above chance nor shown to be below {max_auc}"
    return Decision(
        test,
        "undecided",
        f"The AUC is {auc}, {finding}; {needed} patients of each group would be "
        "needed.",
    )
