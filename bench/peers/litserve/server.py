"""LitServe: a LitAPI with dynamic batching, one worker for one model."""

import sys
from typing import Any

import litserve as ls
from base_model import BaseModel


class Classifier(ls.LitAPI):
    """The base model behind LitServe's batching."""

    def setup(self, device: str) -> None:
        """Load the model once per worker."""
        self.model = BaseModel()

    def decode_request(self, request: dict[str, Any]) -> str:
        """Take the text out of the payload."""
        return request["text"]

    def predict(self, texts: list[str]) -> list[dict[str, str | float]]:
        """Answer a batch."""
        return self.model.predict(texts)

    def encode_response(self, output: dict[str, str | float]) -> dict[str, str | float]:
        """One answer of a batch."""
        return output


if __name__ == "__main__":
    server = ls.LitServer(
        Classifier(max_batch_size=64, batch_timeout=0.005), accelerator="cpu", workers_per_device=1
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
