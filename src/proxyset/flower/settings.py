"""A node's settings: a TOML file of the data owner, found through what only the owner controls.

    data = "private/"            # relative to this file
    ledger = "ledger.sqlite"     # its policy binds every answer (proxyset client ledger policy)
    epsilon = 0.58

The run's configuration comes from whoever starts the run, so nothing of it is looked at: what is counted and what it may cost
are the owner's affair alone.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from proxyset.client.calibration import Adjacency, Unit
from proxyset.client.terms import Terms
from proxyset.errors import InvalidInput, first_problem

VARIABLE = "PROXYSET_FLOWER_SETTINGS"


class NodeSettings(BaseModel):
    """How this node answers; the names are those of `client.answer`.

    Attributes:
        approved: fingerprints of probes that a person has looked at, where the policy demands that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path
    epsilon: float
    delta: float = 1e-5
    unit: Unit = "record"
    max_records: int = 1
    person: str | None = None
    adjacency: Adjacency = "add-remove"
    ledger: Path | None = None
    server: str = "flower"
    dataset: str | None = None
    encoder: str | None = None
    approved: tuple[str, ...] = ()

    @property
    def terms(self) -> Terms:
        """What this owner gives."""
        return Terms(
            self.epsilon, self.delta, self.unit, self.max_records, self.person, self.adjacency, self.encoder
        )

    @classmethod
    def of_node(cls, node: Mapping[str, object]) -> NodeSettings:
        """The settings of this node.

        Args:
            node: its node configuration (`flower-supernode --node-config 'settings="node.toml"'`). Without `settings` there,
                the environment's PROXYSET_FLOWER_SETTINGS names the file; in it "{partition}" stands for the number of a
                simulated node.

        Raises:
            InvalidInput: no file is named, or it is not such a file. OSError: it cannot be read.
        """
        named = node.get("settings") or os.environ.get(VARIABLE)
        if not isinstance(named, str):
            raise InvalidInput(
                f"""this node has no settings: start it with --node-config 'settings="node.toml"' or set {VARIABLE}"""
            )
        return cls.read(Path(named.replace("{partition}", str(node.get("partition-id", "")))))

    @classmethod
    def read(cls, path: Path) -> NodeSettings:
        """Raises InvalidInput when it is not TOML or not such settings, OSError when it cannot be read."""
        try:
            found = cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except tomllib.TOMLDecodeError as error:
            raise InvalidInput(f"{path} is not TOML: {error}") from None
        except ValidationError as error:
            raise InvalidInput(f"{path}: {first_problem(error)}") from None
        here = path.resolve().parent
        ledger = None if found.ledger is None else here / found.ledger
        return found.model_copy(update={"data": here / found.data, "ledger": ledger})
