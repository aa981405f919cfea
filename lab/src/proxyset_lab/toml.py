"""Plans of measurements as TOML files."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ValidationError

from proxyset.errors import InvalidInput, first_problem


class OfToml(BaseModel):
    """What a TOML file says."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and validate a TOML file.

        Raises:
            InvalidInput: not TOML, or not such a plan; the message says where.
            OSError: it cannot be read.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except tomllib.TOMLDecodeError as error:
            raise InvalidInput(f"{path} is not TOML: {error}") from None
        except ValidationError as error:
            raise InvalidInput(f"{path}: {first_problem(error, 'the file')}") from None
