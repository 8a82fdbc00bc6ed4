package c3.t
decision := [true, 0] if {
  not 0 == input.c
  not (`a` in object.get(input.b, input.c[0][input.b], `a`))
}
d2 if not startswith(lower(input.zzz), "a")
d3 if not input.c[input.zzz] == 1
d4 if not ([1] in input.a)
d5 if not ([1 | input.c] in input.a)
