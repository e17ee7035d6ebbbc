"""The networks that find liver, lesions, vessels and ducts."""
