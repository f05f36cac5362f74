-- answer: sends a result to who waits; the length of the list, or an error.
local function answer(reply, payload, keep)
  local r = redis.pcall('LTRIM', reply, 0, keep and -1 or 14)
  if r.err then return r end
  local n = redis.call('LPUSH', reply, payload)
  redis.call('PEXPIRE', reply, 3600000)
  return n
end
