"""Text documents: plain text and Markdown, and sentences for the other kinds of files."""

from random import Random

from disgrafs.corpus.topics import SENTENCES, TOPICS, Language


def sentences(random: Random, topic: str, language: Language, count: int) -> list[str]:
    """Sentences about a topic. Every third one contains its first term, which is therefore a keyword of the text."""
    terms = TOPICS[topic][language]
    lines = []
    for number in range(count):
        a, b = random.sample(terms, 2)
        if number % 3 == 0 and terms[0] not in {a, b}:
            a = terms[0]
        lines.append(random.choice(SENTENCES[language]).format(a=a, b=b))
    return lines


def paragraphs(random: Random, topic: str, language: Language, count: int) -> list[str]:
    """Paragraphs of three to seven sentences."""
    space = "" if language == "zh" else " "
    return [space.join(sentences(random, topic, language, random.randint(3, 7))) for _ in range(count)]


def title(topic: str, language: Language) -> str:
    """A heading with the topic's first two terms."""
    first, second = TOPICS[topic][language][:2]
    return f"{first}，{second}" if language == "zh" else f"{first}, {second}"


def plain(random: Random, topic: str, language: Language) -> str:
    """A text file. Lengths are distributed as in practice: many short, few long."""
    count = max(2, min(60, round(random.lognormvariate(1.8, 0.8))))
    return "\n\n".join([title(topic, language), *paragraphs(random, topic, language, count)]) + "\n"


def markdown(random: Random, topic: str, language: Language) -> str:
    """A Markdown file with headings, a list and emphasis."""
    terms = TOPICS[topic][language]
    parts = [f"# {title(topic, language)}", *paragraphs(random, topic, language, 2)]
    for term in random.sample(terms, 3):
        parts += [f"## {term}", *paragraphs(random, topic, language, random.randint(1, 3))]
        parts.append("\n".join(f"- **{each}**" for each in random.sample(terms, 3)))
    return "\n\n".join(parts) + "\n"
