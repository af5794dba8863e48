-- Put stored frames back, past the capacity, with the expiry that they carry.
--
-- KEYS queue, then, if they are all that a taker has in hand, the list of that.  ARGV "head" or
-- "tail", then the frames with their expiry, in the order in which they must be read.  Returns the
-- length of the queue; -1 if somebody who saw the taker die has put them back already.

if KEYS[2] then
  if redis.call('LINDEX', KEYS[2], 0) == 'gone' then return -1 end
  redis.call('DEL', KEYS[2])
end
return put_back(KEYS[1], ARGV[1], ARGV, 2)
