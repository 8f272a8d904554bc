# Word count, map side: lines in, "word<tab>count" out. A word is a longest run of bytes other than space, \t, \n, \v, \f and \r.
# Runs with mawk, gawk and BSD awk; containers run in the C locale, where a character is a byte.
{
    gsub(/[\t\v\f\r]/, " ")
    for (i = 1; i <= NF; i++) count[$i ""]++
    if (++lines % 100000 == 0) tell()
}

END { tell() }

# Counts of a part of the input are told and forgotten, so that memory stays small; the reduce side adds them up.
function tell(    word) {
    for (word in count) printf "%s\t%.0f\n", word, count[word]
    split("", count)
}
