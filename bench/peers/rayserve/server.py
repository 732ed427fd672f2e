"""Ray Serve: one replica with @serve.batch, as the guide to dynamic request batching has it."""

import os
import sys

import ray
from base_model import BaseModel
from ray import serve
from starlette.requests import Request


@serve.deployment(max_ongoing_requests=1000)
class Classifier:
    """The base model behind Ray Serve's batching."""

    def __init__(self) -> None:
        self.model = BaseModel()

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.005)
    async def predict(self, texts: list[str]) -> list[dict[str, str | float]]:
        """Answer a batch."""
        return self.model.predict(texts)

    async def __call__(self, request: Request) -> dict[str, str | float]:
        """Take the text out of the payload and wait for its batch."""
        return await self.predict((await request.json())["text"])


if __name__ == "__main__":
    ray.init(num_cpus=os.cpu_count(), include_dashboard=False, log_to_driver=False)
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(sys.argv[1])},
        logging_config={"log_level": "WARNING", "enable_access_log": False},
    )
    serve.run(Classifier.bind(), blocking=True)
