"""The proxy: in front of a model server of the operator's, whose answers it corrects or passes on."""
