"""Okabe and Ito's colours, which colour-blind people can tell apart; no panel relies on colour alone."""

BLUE, SKY, GREEN, ORANGE = "#0072B2", "#56B4E9", "#009E73", "#E69F00"
VERMILLION, PURPLE, GREY = "#D55E00", "#CC79A7", "#999999"
