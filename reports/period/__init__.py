"""``evenhand report``: a period of the record, as a page, as JSON and in the model card. No torch."""
