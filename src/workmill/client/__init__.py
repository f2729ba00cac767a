"""Client and AsyncClient, and the transport that workers and controllers use."""
