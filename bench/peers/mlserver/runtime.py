"""MLServer: a custom runtime; adaptive batching is switched on in model-settings.json."""

from base_model import BaseModel
from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Classifier(MLModel):
    """The base model behind MLServer's batching."""

    async def load(self) -> bool:
        """Load the model once per worker."""
        self.model = BaseModel()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a batch: MLServer has joined the inputs of many requests into one."""
        answers = self.model.predict(StringCodec.decode_input(payload.inputs[0]))
        labels = StringCodec.encode_output("label", [answer["label"] for answer in answers])
        scores = StringCodec.encode_output("score", [str(answer["score"]) for answer in answers])
        return InferenceResponse(model_name=self.name, outputs=[labels, scores])
