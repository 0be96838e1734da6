"""Medians, ratios and bars, printed as Markdown."""
import math
import statistics

from servers import SERVERS

NEVER = math.inf
FAULTS = ("lost", "twice", "out_of_order", "misrouted")


def dig(result, path):
    for step in path.split("."):
        result = result[step]
    return result


def median(results, figure):
    """None when no run of this server came to its end, NEVER when what it waited for did not come in one of them."""
    values = [dig(result, figure.path) for result in results if result]
    if None in values:
        return NEVER
    return statistics.median(values) * figure.scale if values else None


def number(value, decimals):
    if value is None:
        return "failed"
    if value == NEVER:
        return "-"
    if decimals or value < 10000:
        return f"{value:,.{decimals}f}"
    return f"{value / 1000:,.0f}k"


def rounded(value, figure):
    """What is printed is what is judged."""
    return value if value == NEVER else round(value, figure.decimals)


def judge(bar, ours, medians, figure):
    """The bar's text with its outcome, and whether it fails the run."""
    theirs = medians.get(bar.against) if bar.against else 1.0
    if ours is None or not theirs or theirs == NEVER:
        return f"{bar.text()} not measured", not bar.goal
    value = (ours - bar.plus) / theirs if bar.against else rounded(ours, figure)
    if bar.holds(value) or (bar.or_plus and ours - theirs <= bar.or_plus):
        return f"{bar.text()} ✓", False
    word = "missed" if bar.goal else "**MISSED**"
    return f"{bar.text()} {word}", not bar.goal


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}x" if ours is not None and theirs and NEVER not in (ours, theirs) else "-"


def faults(results):
    """lost / twice / out of order / misrouted over all runs, and whether there was any fault."""
    whole = [result for result in results if result]
    counts = [sum(result[fault] for result in whole) for fault in FAULTS]
    errors = sum(result["errors"] for result in whole) + len(results) - len(whole)
    text = "/".join(map(str, counts)) + (f", {errors} errors" if errors else "")
    return text, bool(errors or any(counts))


def each(things, words):
    return " · ".join(words(thing) for thing in things) or "-"


def figure_line(row, figure, results, first):
    medians = {name: median(results[name], figure) for name in row.servers}
    subject, *others = row.servers
    ours = medians[subject]
    judged = [judge(bar, ours, medians, figure) for bar in figure.bars if bar.against in (None, *others)]
    clean, faulty = faults(results[subject])
    cells = (
        row.title if first else "",
        figure.name,
        number(ours, figure.decimals),
        each(others, lambda name: f"{SERVERS[name].name} {number(medians[name], figure.decimals)}"),
        each(others, lambda name: f"{ratio(ours, medians[name])} {SERVERS[name].name}"),
        each(judged, lambda outcome: outcome[0]),
        clean if first else "",
    )
    return "| " + " | ".join(cells) + " |", faulty or any(missed for _, missed in judged)


def print_table(rows, results):
    """Returns whether every bar was held and every run of joblight was clean."""
    heads = ("scenario", "figure", "joblight", "others", "ratio", "bar (goal)",
             "lost/twice/order/misrouted")
    print("| " + " | ".join(heads) + " |")
    print("|---" * len(heads) + "|")
    good = True
    for row in rows:
        for at, figure in enumerate(row.figures):
            line, failed = figure_line(row, figure, results[row.key], at == 0)
            print(line)
            good = good and not failed
    return good
