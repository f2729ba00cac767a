"""`PUT /enqueue` against a bare ASGI handler that hashes the same body and stores nothing."""
