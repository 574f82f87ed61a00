module peers

go 1.25

require github.com/tus/tusd/v2 v2.9.0
