-- Write memberships back after Redis lost its memory.
--
-- KEYS groups, what the keys of members start with.  ARGV group_expiry_ms, then group, local
-- and expiry_ms in turn.  A membership that lives longer already is left alone.  This is no
-- change of membership: it has no number, and no item in the mailbox.

for i = 2, #ARGV, 3 do
  redis.call('ZADD', KEYS[2] .. ARGV[i], 'GT', ARGV[i + 2], ARGV[i + 1])
  redis.call('PEXPIRE', KEYS[2] .. ARGV[i], ARGV[1])
  redis.call('SADD', KEYS[1], ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
