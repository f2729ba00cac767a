"""The distributed store: one logical Redis, any number of endpoints.

store       the facade: groups, one method a verb       port     Link, the seam to the network
records     jobs, words and answers as bytes            link     the plain link: one server
library     loads the Lua functions                     backup   the verbs backup and restore

functions/  one Lua library in parts: keys documents every key, records the bytes of a job,
            session what every verb begins and ends with; then one file for each group of verbs
"""

from workmill.store.redis.store import RedisStore

__all__ = ["RedisStore"]
