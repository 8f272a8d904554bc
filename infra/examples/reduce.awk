# Word count, reduce side: "word<tab>count" in, lines of one word side by side; "word<tab>sum" out.
{
    tab = index($0, "\t")
    word = substr($0, 1, tab - 1)
    if (NR > 1 && word "" != last "") {
        printf "%s\t%.0f\n", last, sum
        sum = 0
    }
    last = word
    sum += substr($0, tab + 1)
}

END { if (NR > 0) printf "%s\t%.0f\n", last, sum }
