"""What people are told, in the languages we speak: the words of `words/`, with the facts in them."""

from collections.abc import Mapping

from gateway.causes import CAUSES
from gateway.signing_causes import FAILED, cause_of_failure
from gateway.web.words.answers import FIELDS, SENTENCES, STATES
from gateway.web.words.faults import FAULTS, WHY
from gateway.web.words.fields import REASONS
from gateway.web.words.peers import PEERS

LANGUAGES = ("zh-CN", "en")

_CAUSED = ("database_away", "store_away", "broker_away", "signing_waits")  # {where} is a cause


def choose_language(accept_language: str | None) -> str:
    """The best of our languages for an Accept-Language header (RFC 9110 §12.5.4); Chinese first."""
    best, best_weight = LANGUAGES[0], 0.0
    for part in (accept_language or "").split(","):
        tag, _, parameter = part.strip().partition(";")
        match = {"zh": LANGUAGES[0], "en": LANGUAGES[1]}.get(tag.split("-")[0].strip().lower())
        weight = _weight(parameter)
        if match and weight > best_weight:
            best, best_weight = match, weight
    return best


def say(code: str, language: str, facts: Mapping[str, object] | None = None) -> str:
    """The sentence for a code, with its facts in it."""
    chosen = {name: _fact(value, language) for name, value in (facts or {}).items()}
    return pick(SENTENCES[code], language).format_map(chosen)


def say_fault(code: str, language: str, where: str, peer_cause: str = "") -> str:
    """`peer_cause`: why another system is not reached, where that is the fault."""
    said = say_cause(where, language) if code in _CAUSED else where
    why = pick(WHY, language).format(why=say_peer(peer_cause, language)) if peer_cause else ""
    return pick(FAULTS[code], language).format(where=said, why=why)


def say_peer(cause: str, language: str) -> str:
    """Empty where the words of the peer are all there is."""
    return pick(PEERS[cause], language) if cause else ""


def say_cause(cause: str, language: str) -> str:
    """Why a server that we need does not do its work; the word itself where there is no sentence."""
    pair = CAUSES.get(cause)
    return f"{pick(pair, language)} [{cause}]" if pair else cause


def say_failure(error: str, language: str) -> str:
    """What due work keeps of a failure: in a sentence where we have one, with the words themselves behind it."""
    pair = CAUSES.get(cause_of_failure(error))
    return f"{pick(pair, language)} [{error.removeprefix(FAILED)}]" if pair else error


def say_reason(reason: str, language: str, facts: Mapping[str, object] | None = None) -> str:
    return pick(REASONS.get(reason, REASONS["unusable"]), language).format_map(facts or {})


def _fact(value: object, language: str) -> str:
    text = str(value)
    pair = STATES.get(text) or FIELDS.get(text)
    return pick(pair, language) if pair else text


def pick(pair: tuple[str, str], language: str) -> str:
    """One of (Simplified Chinese, English)."""
    return pair[LANGUAGES.index(language)]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
