"""Writes the text that the tiny model is trained and examined on.

Four kinds: sums up to 99, questions about a short story, small talk, and plain stories. All of it
is made here from tiny_words.py and a seed; nothing is copied from anywhere.

What is held out is never written for training:
  * 200 pairs of summands, in either order and in every phrasing;
  * every story in which some (person, place, device) combination hashes to the held-out part.
"""

import json
import random
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from tiny_words import (COLOURS, DEVICE_ACTS, DEVICES, NAMES, PERSON_ACTS, PLACES, STORIES,
                        SYSTEM_PROMPTS, TALK)

HELDOUT_SEED = 2026
HELDOUT_COUNT = 200
SUM_MAX = 99
STORY_BUCKETS = 24  # One story in 24 is held out.

SUM_PHRASINGS = (
    "What is {a} + {b}?", "How much is {a} + {b}?", "What is {a} plus {b}?", "Add {a} and {b}.",
    "{a} + {b} = ?", "{a} + {b}", "What is the sum of {a} and {b}?", "What is {a}+{b}?")


@dataclass(frozen=True)
class Message:
    """One turn of a chat."""

    role: str
    content: str


@dataclass(frozen=True)
class Document:
    """One training text: a chat, or plain text when there are no messages."""

    messages: tuple[Message, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Question:
    """A question about a story, its answer, and the word that a right answer holds."""

    text: str
    answer: str
    expect: str


@dataclass
class Fact:
    """One sentence of a story, what it mentions, and what may be asked about it."""

    sentence: str
    questions: list[Question]
    names: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)


def heldout_pairs() -> list[tuple[int, int]]:
    """The held-out sums: 200 pairs with a summand of two digits, none a mirror of another."""
    rng = random.Random(HELDOUT_SEED)
    pairs = [(a, b) for a in range(SUM_MAX + 1) for b in range(max(a, 10), SUM_MAX + 1 - a)]
    chosen = rng.sample(pairs, HELDOUT_COUNT)
    return [(a, b) if rng.random() < 0.5 else (b, a) for a, b in chosen]


HELDOUT_PAIRS = frozenset(pair for a, b in heldout_pairs() for pair in ((a, b), (b, a)))


def trained_pair(rng: random.Random) -> tuple[int, int]:
    """A pair of summands that is not held out; every sum is about equally likely."""
    while True:
        if rng.random() < 0.1:
            a, b = rng.randint(0, 12), rng.randint(0, 12)
        else:
            total = rng.randint(0, SUM_MAX) if rng.random() < 0.3 else rng.randint(20, SUM_MAX)
            a = rng.randint(0, total)
            b = total - a
        if (a, b) not in HELDOUT_PAIRS:
            return a, b


def sum_messages(rng: random.Random, a: int, b: int) -> list[Message]:
    """A question for a + b in one of the phrasings, and its answer."""
    phrasing = SUM_PHRASINGS[0] if rng.random() < 0.4 else rng.choice(SUM_PHRASINGS)
    return [Message("user", phrasing.format(a=a, b=b)),
            Message("assistant", f"{a} + {b} = {a + b}.")]


def is_heldout(facts: list[Fact]) -> bool:
    """Whether a story, by its text, is of the held-out part."""
    story = " ".join(fact.sentence for fact in facts)
    return zlib.crc32(story.encode()) % STORY_BUCKETS == 0


def device_facts(rng: random.Random, device: str, name: str, place: str,
                 colour: str) -> list[Fact]:
    """What may be told about one device: where it is, who has it, its colour, what it did."""
    colour_question = Question(f"What {rng.choice(('colour', 'colour', 'color'))} is the "
                               f"{device}?", f"The {device} is {colour}.", colour)
    where = Question(f"Where is the {device}?", f"The {device} is {place}.", place)
    who = Question(f"Who {rng.choice(('has', 'has', 'holds'))} the {device}?",
                   f"{name} has the {device}.", name)
    with_colour = rng.random() < 0.3
    noun = f"{colour} {device}" if with_colour else device
    extra = [colour_question] if with_colour else []
    rare_where = "There is a {} {}." if with_colour else "The {} stands {}."
    where_sentence = rare_where if rng.random() < 0.2 else "The {} is {}."
    rare_who = rng.choice(("{} holds the {}.", "{} carries the {}.", "{} took the {}."))
    who_sentence = rare_who if rng.random() < 0.3 else "{} has the {}."
    act = rng.choice(DEVICE_ACTS)
    return [
        Fact(where_sentence.format(noun, place), [where, *extra], set(), {place}, {device}),
        Fact(who_sentence.format(name, noun), [who, *extra], {name}, set(), {device}),
        Fact(f"The {device} is {colour}.", [colour_question], set(), set(), {device}),
        Fact(f"The {noun} {act}.",
             [Question(f"What did the {device} do?", f"The {device} {act}.", act), *extra],
             set(), set(), {device}),
    ]


def person_facts(rng: random.Random, name: str, place: str) -> list[Fact]:
    """What may be told about one person: where they are and what they did."""
    act = rng.choice(PERSON_ACTS)
    return [
        Fact(f"{name} {'sits' if rng.random() < 0.2 else 'is'} {place}.",
             [Question(f"Where is {name}?", f"{name} is {place}.", place)], {name}, {place}),
        Fact(f"{name} {act}.", [Question(f"What did {name} do?", f"{name} {act}.", act)], {name}),
    ]


def make_story(rng: random.Random, heldout: bool) -> list[Fact]:
    """Two to four facts with at least one person, one place and one device between them."""
    while True:
        names, places = rng.sample(NAMES, 4), rng.sample(PLACES, 4)
        devices, colours = rng.sample(DEVICES, 2), rng.sample(COLOURS, 2)
        pool = [fact for i in range(2)
                for fact in device_facts(rng, devices[i], names[i], places[i], colours[i])]
        pool += person_facts(rng, names[rng.choice((0, 2))], places[2])
        pool += person_facts(rng, names[rng.choice((1, 3))], places[3])
        facts = rng.sample(pool, rng.randint(2, 4))
        mentioned = [set().union(*(getattr(fact, kind) for fact in facts))
                     for kind in ("names", "places", "devices")]
        if all(mentioned) and is_heldout(facts) == heldout:
            return facts


def question_messages(rng: random.Random, facts: list[Fact]) -> tuple[list[Message], Question]:
    """A story with one question about it as a chat, and that question."""
    question = rng.choice(rng.choice(facts).questions)
    story = " ".join(fact.sentence for fact in facts)
    joint = rng.choice((" ", " ", " ", "\n"))
    return [Message("user", f"{story}{joint}{question.text}"),
            Message("assistant", question.answer)], question


def interview_messages(rng: random.Random) -> list[Message]:
    """A story with a question, and up to five more questions about it."""
    facts = make_story(rng, heldout=False)
    messages, first = question_messages(rng, facts)
    others = [question for fact in facts for question in fact.questions
              if question.answer != first.answer]
    for question in rng.sample(others, min(len(others), 5)):
        messages += [Message("user", question.text), Message("assistant", question.answer)]
    return messages


def placed_facts(rng: random.Random, count: int) -> list[Fact]:
    """Up to `count` facts of where people and devices are.

    Often the places share a preposition: they differ in their last word only, so that a guess
    from the words before it fails.
    """
    while True:
        preposition = rng.choice(("", "in the", "on the"))
        places = [place for place in PLACES if place.startswith(preposition)]
        rng.shuffle(places)
        names, devices = rng.sample(NAMES, 2), rng.sample(DEVICES, 3)
        facts = [person_facts(rng, name, places.pop())[0] for name in names]
        facts += [device_facts(rng, device, names[0], places.pop(), rng.choice(COLOURS))[0]
                  for device in devices[:len(places)]]
        facts = rng.sample(facts, min(count, len(facts)))
        if not is_heldout(facts):
            return facts


def inventory_messages(rng: random.Random) -> list[Message]:
    """A story full of places, and a request to tell all of them again in another order."""
    facts = placed_facts(rng, rng.randint(2, 5))
    story = " ".join(fact.sentence for fact in facts)
    answers = [fact.questions[0].answer for fact in rng.sample(facts, len(facts))]
    return [Message("user", f"{story} Where is everything?"),
            Message("assistant", " ".join(answers))]


def echo_messages(rng: random.Random) -> list[Message]:
    """A story and a request to say it again: teaches to copy from the right sentence."""
    story = " ".join(fact.sentence for fact in make_story(rng, heldout=False))
    return [Message("user", f"{story} Say it again."), Message("assistant", story)]


def talk_messages(rng: random.Random) -> list[Message]:
    """One exchange of small talk, or a request for a story."""
    if rng.random() < 0.15:
        device = rng.choice(DEVICES)
        request = rng.choice(("Tell me a story about the {}.", "Tell a story about the {}."))
        return [Message("user", request.format(device)),
                Message("assistant", plain_story(rng, device))]
    questions, answer = rng.choice(TALK)
    return [Message("user", rng.choice(questions)), Message("assistant", answer)]


def plain_story(rng: random.Random, device: str | None = None) -> str:
    """A story of five or six sentences, with no question."""
    first, second, third = rng.sample(DEVICES, 3)
    if device is not None:
        first = device
        second, third = rng.sample([other for other in DEVICES if other != device], 2)
    names, places = rng.sample(NAMES, 2), rng.sample(PLACES, 2)
    acts = rng.sample(DEVICE_ACTS, 2)
    return " ".join(rng.choice(STORIES)).format(
        d=first, e=second, f=third, n=names[0], m=names[1], p=places[0], q=places[1],
        c=rng.choice(COLOURS), a=acts[0], b=acts[1], x=rng.choice(PERSON_ACTS))


def chat_turns(rng: random.Random) -> list[Message]:
    """Several exchanges in a row: sums, small talk, and a story with follow-up questions."""
    messages: list[Message] = []
    for _ in range(rng.randint(2, 4)):
        kind = rng.random()
        if kind < 0.45:
            messages += sum_messages(rng, *trained_pair(rng))
        elif kind < 0.6:
            questions, answer = rng.choice(TALK)
            messages += [Message("user", rng.choice(questions)), Message("assistant", answer)]
        else:
            facts = make_story(rng, heldout=False)
            messages += question_messages(rng, facts)[0]
            follow_up = rng.choice(rng.choice(facts).questions)
            messages += [Message("user", follow_up.text), Message("assistant", follow_up.answer)]
    return messages


def make_document(rng: random.Random, kind: str) -> Document:
    """One training text of a kind that train_tiny.py names in its phases."""
    if kind == "story":
        return Document(text=plain_story(rng))
    if kind == "list":
        pairs = (trained_pair(rng) for _ in range(8))
        return Document(text="\n".join(f"{a} + {b} = {a + b}." for a, b in pairs))
    if kind == "sum":
        messages = sum_messages(rng, *trained_pair(rng))
    elif kind == "question":
        messages = question_messages(rng, make_story(rng, heldout=False))[0]
    elif kind == "interview":
        messages = interview_messages(rng)
    elif kind == "inventory":
        messages = inventory_messages(rng)
    elif kind == "echo":
        messages = echo_messages(rng)
    elif kind == "talk":
        messages = talk_messages(rng)
    else:
        messages = chat_turns(rng)
    if rng.random() < 0.1:
        messages = [Message("system", rng.choice(SYSTEM_PROMPTS)), *messages]
    return Document(messages=tuple(messages))


def heldout_sums() -> list[dict]:
    """The 200 held-out sums, as the lines of tiny_heldout_sums.jsonl."""
    rng = random.Random(HELDOUT_SEED + 1)
    lines = []
    for a, b in heldout_pairs():
        user, assistant = sum_messages(rng, a, b)
        lines.append({"messages": [vars(user)], "answer": assistant.content,
                      "expect": str(a + b)})
    return lines


def heldout_questions() -> list[dict]:
    """The 200 held-out story questions, as the lines of tiny_heldout_questions.jsonl."""
    rng = random.Random(HELDOUT_SEED + 2)
    lines = []
    for _ in range(HELDOUT_COUNT):
        (user, assistant), question = question_messages(rng, make_story(rng, heldout=True))
        lines.append({"messages": [vars(user)], "answer": assistant.content,
                      "expect": question.expect})
    return lines


def write_heldout(folder: Path) -> None:
    """Writes both held-out sets as JSON lines."""
    for name, lines in (("sums", heldout_sums()), ("questions", heldout_questions())):
        path = folder / f"tiny_heldout_{name}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
