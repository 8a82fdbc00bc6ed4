package c2.t

default decision := {"allowed": true, "x": 1}
decision := "b" if {
  input.a
}
