-- Put stored frames back, past the capacity, with the expiry that they carry.
--
-- KEYS queue.  ARGV "head" or "tail", then the frames with their expiry, in the
-- order in which they must be read.  Returns the length of the queue.

local length = redis.call('LLEN', KEYS[1])
local last = now
local first, stop, step, push = 2, #ARGV, 1, 'RPUSH'
if ARGV[1] == 'head' then first, stop, step, push = #ARGV, 2, -1, 'LPUSH' end
for i = first, stop, step do
  redis.call(push, KEYS[1], ARGV[i])
  last = math.max(last, (struct.unpack('>I8', ARGV[i])))
end
keep(KEYS[1], length == 0, last - now + GRACE_MS)
return length + #ARGV - 1
