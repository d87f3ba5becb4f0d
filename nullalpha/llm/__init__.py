"""The model path: one typed call to a locally served language model. Only `transport` imports litellm."""
