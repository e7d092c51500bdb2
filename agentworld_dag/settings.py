"""What every section of a preset is made of: a frozen model that refuses unknown fields, and bounded numbers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(gt=0.0)]
Temperature = Annotated[float, Field(gt=0.0, le=2.0)]
Points = Annotated[float, Field(ge=0.0, le=4.0)]
"""Between two scores from 1 to 5."""

MAX_SEED = 2**32 - 1
"""What NumPy's generator takes."""
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
