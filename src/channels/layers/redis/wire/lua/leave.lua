-- Take a channel of a process out of a group, and tell the process.
--
-- KEYS mail, meta, members, groups.  ARGV local, group, control_ttl_ms.  Returns the number
-- of the change.  The process is told also of what is no member here: it may be one
-- there, if Redis lost its memory a moment ago, and would be written back.

local name, group = ARGV[1], ARGV[2]
redis.call('ZREM', KEYS[3], name)
if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('SREM', KEYS[4], group) end
return change(KEYS[1], KEYS[2], tonumber(ARGV[3]), 'L' .. short(name) .. short(group))
