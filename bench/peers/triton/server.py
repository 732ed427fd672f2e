"""Triton through PyTriton: its own server binary, dynamic batching, the model as a Python callable."""

import sys

import numpy as np
from base_model import BaseModel
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

model = BaseModel()


@batch
def predict(text: np.ndarray) -> dict[str, np.ndarray]:
    """Answer a batch."""
    answers = model.predict([row[0].decode() for row in text])
    return {
        "label": np.array([[answer["label"].encode()] for answer in answers]),
        "score": np.array([[answer["score"]] for answer in answers], dtype=np.float32),
    }


if __name__ == "__main__":
    port = int(sys.argv[1])
    addresses = {"http_address": "127.0.0.1", "grpc_address": "127.0.0.1", "metrics_address": "127.0.0.1"}
    config = TritonConfig(
        http_port=port, grpc_port=port + 1, metrics_port=port + 2, log_verbose=0, **addresses
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="base",
            infer_func=predict,
            inputs=[Tensor(name="text", dtype=bytes, shape=(1,))],
            outputs=[
                Tensor(name="label", dtype=bytes, shape=(1,)),
                Tensor(name="score", dtype=np.float32, shape=(1,)),
            ],
            config=ModelConfig(max_batch_size=64, batcher=DynamicBatcher(max_queue_delay_microseconds=5000)),
        )
        triton.serve()
