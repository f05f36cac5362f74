-- types('list', 'zset', …): an error reply for the first of KEYS that exists with another type, else nil.
local function types(...)
  for i, want in ipairs({...}) do
    local is = call('TYPE', KEYS[i]).ok
    if is ~= 'none' and is ~= want then
      return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is a ' .. is .. ', not a ' .. want)
    end
  end
end
