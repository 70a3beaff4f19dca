"""Measure answers to questions and verdicts on claims, without a model.

    python bench/questions.py [--set held-out|development] [--wrong]

The documents are made by the script. Those of `held-out` were not looked at while the rules were made.
"""

from __future__ import annotations

import argparse

from answers import development, heldout
from answers.case import Case
from answers.paper import drawn
from answers.scoring import (
    AnswerScore,
    VerdictScore,
    answer_lines,
    best_sentence,
    our_answer,
    our_verdict,
    verdict_lines,
    verdict_of_best_sentence,
)

from affidavit.engine.operations.port import Context
from affidavit.engine.pipeline import read
from affidavit.engine.source import Source
from affidavit.engine.spec import OcrMode, OcrOptions, Operation, Options, Spec

SETS = {"development": development.CASES, "held-out": heldout.CASES}


def opened(case: Case) -> Context:
    spec = Spec(
        operation=Operation.PARSE, options=Options(ocr=OcrOptions(mode=OcrMode.NEVER)), page_images=False
    )
    return Context(read(Source(drawn(case.text)), spec).document, spec)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", choices=SETS, default="held-out")
    parser.add_argument("--wrong", action="store_true", help="list what went wrong")
    chosen = parser.parse_args()
    ours, theirs, verdicts, plain = AnswerScore(), AnswerScore(), VerdictScore(), VerdictScore()
    for case in SETS[chosen.set]:
        context = opened(case)
        for question, gold in case.questions:
            ours.add(question, gold, our_answer(context, question))
            theirs.add(question, gold, best_sentence(context, question))
        for claim, verdict in case.claims:
            verdicts.add(claim, verdict, our_verdict(context, claim))
            plain.add(claim, verdict, verdict_of_best_sentence(context, claim))
    print(f"## Questions ({chosen.set})\n")
    print("| | answer is in it | is all of it | refused rightly |\n|---|---|---|---|")
    print("\n".join([*answer_lines("rules", ours), *answer_lines("best sentence (BM25)", theirs)]))
    print(f"\n## Claims ({chosen.set})\n")
    print("| | right | supported P / R | contradicted P / R |\n|---|---|---|---|")
    print("\n".join([*verdict_lines("rules", verdicts), *verdict_lines("best sentence (BM25)", plain)]))
    if chosen.wrong:
        print("\n" + "\n".join([*ours.wrong, *verdicts.wrong]))


if __name__ == "__main__":
    main()
