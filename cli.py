from symflops.cli import main

main()
