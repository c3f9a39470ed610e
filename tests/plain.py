"""Plain places are answered as all others are."""

from dataclasses import replace
from datetime import datetime

from spatial.lookup.memory import View
from spatial.lookup.model import Answer, LayerAnswer, Question


def hold_plain(view: View, question: Question, now: datetime) -> bool:
    """See that a place which is plain is answered like any other; return whether it is."""
    plain = view.plain_answer(question, now)
    if plain is None:
        return False
    layers = [
        replace(said, edge_m=held.edge_m, beyond=tuple(held.beyond))
        for said, held in zip(plain.layers, plain.held, strict=True)
    ]
    whole = replace(plain.answer, layers=tuple(layers))
    assert in_millimetres(whole) == in_millimetres(view.answer(question, now))
    return True


def in_millimetres(answer: Answer) -> Answer:
    """Return an answer with its distances as they are told."""

    def told(one: LayerAnswer) -> LayerAnswer:
        beyond = tuple(other._replace(distance_m=round(other.distance_m, 3)) for other in one.beyond)
        return replace(one, edge_m=None if one.edge_m is None else round(one.edge_m, 3), beyond=beyond)

    return replace(answer, layers=tuple(told(one) for one in answer.layers))
