-- A text with its length in front, in one byte (items.py).

local function short(text) return string.char(#text) .. text end
