-- st: the status in lower case. term: whether it is terminal.
local st = string.lower(status or '')
local term = st == 'finished' or st == 'error'
