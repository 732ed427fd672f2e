"""BentoML: a service with adaptive batching, which learns its wait; the latency limit stays the default."""

import bentoml
from base_model import BaseModel


@bentoml.service(workers=1, traffic={"timeout": 30}, logging={"access": {"enabled": False}})
class Classifier:
    """The base model behind BentoML's batching."""

    def __init__(self) -> None:
        self.model = BaseModel()

    @bentoml.api(batchable=True, max_batch_size=64)
    def predict(self, texts: list[str]) -> list[dict[str, str | float]]:
        """Answer a batch."""
        return self.model.predict(texts)
