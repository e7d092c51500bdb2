"""Scores as text for a terminal."""

from typing import Any

SHOWN_KINDS = 12


def page(found: dict[str, Any]) -> str:
    """Everything that `bench score` found, one table below the other."""
    if "strict" in found:
        return f"strict\n{page(found['strict'])}\nofficial\n{page(found['official'])}"
    text = table(found)
    if "clean" in found:
        text += f"\nThe samples that training has not shown:\n{table(found['clean'])}"
    if "breakdown" in found:
        text += _breakdown(found["breakdown"])
    return text


def _breakdown(found: dict[str, Any]) -> str:
    text = ""
    for title, groups in (("turn", found["turn"]), ("action", found["action"])):
        text += f"\n{title:24}{'total_score':>24}{'rows':>8}{'failed':>8}\n"
        for name, score in list(groups.items())[:SHOWN_KINDS]:
            text += f"{name:24}{cell(score['value'], score):>24}{score['n']:>8}{score['failed']:>8}\n"
        if hidden := list(groups.values())[SHOWN_KINDS:]:
            text += f"{len(hidden)} more, with {sum(each['n'] for each in hidden)} rows: see --json\n"
    return text + (f"\n{found['not_in_data']} rows of samples that --data does not hold\n" * bool(found["not_in_data"]))


def table(found: dict[str, Any]) -> str:
    """Domains in rows, dimensions in columns; the overall number below, with its interval where there is one."""
    names = [name for name in next(iter(found["domains"].values())) if name not in ("valid", "failed", "intervals")]
    head = f"{'domain':10}" + "".join(f"{name:>24}" for name in names) + f"{'valid':>8}{'failed':>8}"
    lines = [head, *(_line(domain, scores, names) for domain, scores in found["domains"].items())]
    for name in ("macro", "micro"):
        if name in found:
            lines.append(f"{name:10}{cell(found[name]['value'], found[name]):>24}")
    if "macro" not in found:
        lines.append(f"{'overall':10}{cell(found['overall'], None):>24}")
    return "\n".join(lines) + "\n"


def _line(domain: str, scores: dict[str, Any], names: list[str]) -> str:
    intervals = scores.get("intervals", {})
    cells = "".join(f"{cell(scores.get(name), intervals.get(name)):>24}" for name in names)
    return f"{domain:10}{cells}{scores['valid']:>8}{scores['failed']:>8}"


def cell(value: float | None, interval: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2f} [{interval['low']:.2f}, {interval['high']:.2f}]" if interval else f"{value:.2f}"
