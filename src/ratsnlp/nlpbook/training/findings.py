"""What a pre-flight check found: findings, and the report that lists them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ratsnlp.nlpbook.errors import CheckError

Level = Literal["error", "warning", "note"]
ORDER: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        level: "error" refuses the training, "warning" is said, "note" is worth knowing.
        name: What was checked; stable, to search for.
        message: One sentence: both sides, what was found, what to do.
    """

    level: Level
    name: str
    message: str

    def __str__(self) -> str:
        """Return the finding as one line of a list."""
        return f"{self.level:<8}{self.name:<16}{self.message}"


@dataclass(frozen=True)
class Report:
    """The findings of one check, errors first.

    Attributes:
        pair: The tokenizer and the model, in words.
        findings: What was found.
    """

    pair: str
    findings: tuple[Finding, ...]

    def of(self, level: Level) -> tuple[Finding, ...]:
        """Return the findings of one level."""
        return tuple(finding for finding in self.findings if finding.level == level)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that refuse the training."""
        return self.of("error")

    def __str__(self) -> str:
        """Return the pair, a line for each finding, and the verdict."""
        return "\n".join([f"checked: {self.pair}", *map(str, self.findings), f"verdict: {self.verdict}"])

    @property
    def verdict(self) -> str:
        """The outcome in words."""
        if self.errors:
            return "do not train this"
        return "ready, but read the warnings" if self.of("warning") else "ready"

    def raise_for_errors(self) -> None:
        """Do nothing where there is no error.

        Raises:
            CheckError: There are errors; the message lists all of them.
        """
        if self.errors:
            raise CheckError("\n".join(["this cannot be trained as it is:", *self.error_lines()]))

    def error_lines(self) -> Iterator[str]:
        """Yield a line for each error."""
        return (f"- {error.name}: {error.message}" for error in self.errors)
