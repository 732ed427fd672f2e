"""mosec: one worker with dynamic batching."""

from typing import Any

from base_model import BaseModel
from mosec import Server, Worker


class Classifier(Worker):
    """The base model behind mosec's batching."""

    def __init__(self) -> None:
        self.model = BaseModel()

    def forward(self, data: list[dict[str, Any]]) -> list[dict[str, str | float]]:
        """Answer a batch."""
        return self.model.predict([item["text"] for item in data])


if __name__ == "__main__":
    server = Server()
    server.append_worker(Classifier, num=1, max_batch_size=64, max_wait_time=5)
    server.run()
