-- Add a channel of a process to a group, and tell the process.
--
-- KEYS mail, meta, members, groups.  ARGV local, group, group_expiry_ms.  Returns the
-- number of the change.

local name, group, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
local fresh = redis.call('ZADD', KEYS[3], now + ttl, name)
redis.call('SADD', KEYS[4], group)
redis.call('PEXPIRE', KEYS[3], ttl)
redis.call('PEXPIRE', KEYS[4], ttl)
return change(KEYS[1], KEYS[2], ttl,
  'J' .. short(name) .. short(group) .. struct.pack('>I8', now + ttl) .. string.char(fresh))
