-- The hash ends `life` ms from now, where that is a whole number above 0. Either way it is a write that passes at
-- maxmemory, and so does the rest of the script then.
if not ((tonumber(life or '') or 0) > 0 and type(redis.pcall('PEXPIRE', KEYS[1], life)) == 'number') then
  call('HDEL', KEYS[1], 'hq_')
end
