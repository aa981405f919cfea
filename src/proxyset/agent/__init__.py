"""The owner's side that talks and shows: campaigns answered, models fetched, what is asked and what has left."""
