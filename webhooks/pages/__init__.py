"""The pages of webhooks. They only read: what is changed on them goes through the API."""
