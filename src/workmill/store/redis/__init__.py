"""The network half of the Redis store.

addresses   what a person writes            connection  one conversation with one server
replies     ROLE and INFO as values         sentinel    what the Sentinels say
judgement   is a change acknowledged?       refusals    what follows from each error
servers     finding the primary             outage      when to try again, what is logged
link        all of it behind `port.Link`
"""
