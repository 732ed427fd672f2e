"""Plain FastAPI: what one writes on the first day. No batching; every request runs in the thread pool."""

import sys

import uvicorn
from base_model import BaseModel
from fastapi import FastAPI
from pydantic import BaseModel as Schema

app = FastAPI()
model = BaseModel()


class Item(Schema):
    """One text."""

    text: str


@app.post("/predict")
def predict(item: Item) -> dict[str, str | float]:
    """Answer one text."""
    return model.predict([item.text])[0]


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
