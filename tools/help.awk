# Prints the targets of a Makefile: "##@ Group" opens a group, "target: ... ## text" is one line of it.
BEGIN { FS = ":.*## "; print "make TARGET, where TARGET is one of:" }
/^##@ / { printf "\n%s%s%s\n", bold, substr($0, 5), plain }
/^[a-z][a-z0-9 -]*:.*## / {
    gsub(/ /, ", ", $1)
    printf "  %s%-24s%s %s\n", colour, $1, plain, $2
}
